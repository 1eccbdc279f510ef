"""The treatments that stand alone: what a study may name, and what ``curated`` may do in turn."""

from workbench.data.treatments.as_is import AsIs
from workbench.data.treatments.boilerplate import Boilerplate
from workbench.data.treatments.byte_noise import ByteNoise
from workbench.data.treatments.c4 import C4
from workbench.data.treatments.classifier import Classifier
from workbench.data.treatments.code import Code
from workbench.data.treatments.exact_dedup import ExactDedup
from workbench.data.treatments.fineweb import FineWeb
from workbench.data.treatments.gopher import Gopher
from workbench.data.treatments.gopher_repetition import GopherRepetition
from workbench.data.treatments.half import Half
from workbench.data.treatments.line_dedup import LineDedup
from workbench.data.treatments.near_dedup import NearDedup
from workbench.data.treatments.repeated import Repeated
from workbench.data.treatments.shuffled_words import ShuffledWords
from workbench.data.treatments.treatment import Treatment

# A new treatment is a file beside this one, imported above, and its class in this list.
STEPS: tuple[type[Treatment], ...] = (
    AsIs,
    ExactDedup,
    NearDedup,
    LineDedup,
    Gopher,
    GopherRepetition,
    C4,
    FineWeb,
    Code,
    Classifier,
    ShuffledWords,
    Repeated,
    Boilerplate,
    ByteNoise,
    Half,
)
