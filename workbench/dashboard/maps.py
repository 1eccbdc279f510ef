"""Many small attention maps as one picture: as data they would be megabytes, as an image kilobytes."""

import matplotlib as mpl
import numpy as np
import streamlit as st

from workbench.inspection.panels import Maps

_SIZE, _GAP = 96, 6  # pixels of a map's side, and between maps


def show(panel: Maps, key: str) -> None:
    """Draw the maps; rows are layers, columns heads."""
    st.image(mosaic(panel), width="content")
    st.caption("Rows: layers, from 0 at the top; columns: heads. Choose one above to read it token by token.")


def mosaic(panel: Maps) -> np.ndarray:
    """``(height, width, 3)`` uint8: every map at one size, the square root of its attention in blue."""
    rows = -(-len(panel.maps) // panel.columns)
    side = _SIZE + _GAP
    image = np.full((rows * side, panel.columns * side, 3), 255, dtype=np.uint8)
    for number, matrix in enumerate(panel.maps):
        top, left = (part * side for part in divmod(number, panel.columns))
        image[top : top + _SIZE, left : left + _SIZE] = _coloured(matrix)
    return image


def _coloured(matrix: np.ndarray) -> np.ndarray:
    places = np.arange(_SIZE) * len(matrix) // _SIZE
    shades = mpl.colormaps["Blues"](np.sqrt(matrix[np.ix_(places, places)]))  # (side, side, 4)
    return (shades[..., :3] * 255).astype(np.uint8)
