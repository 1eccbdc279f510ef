"""The dashboard behind its policy: what ``workbench dashboard`` has Streamlit serve.

Streamlit puts this file's folder on the import path, not that of ``app.py`` as it does for ``streamlit run
app.py``: in a checkout the code beside this file is meant, whatever is installed.
"""

import sys
from pathlib import Path

from starlette.middleware import Middleware
from streamlit.starlette import App

sys.path.insert(0, str(Path(__file__).parents[3]))

from workbench.dashboard.content_security_policy import OnlyThisServer
from workbench.dashboard.launch import app_file
from workbench.dashboard.server.admission import Admission
from workbench.dashboard.server.front_page import FrontPage
from workbench.dashboard.server.preloading import Preloading
from workbench.dashboard.server.readers_first import ReadersFirst
from workbench.dashboard.server.small_packets import send_small_packets_at_once
from workbench.dashboard.turns import TURNS
from workbench.dashboard.warm_up import begin

send_small_packets_at_once()  # this file is imported when the server has bound its address
begin()
app = App(
    app_file(),
    middleware=[
        Middleware(Preloading),
        Middleware(ReadersFirst, turns=TURNS),
        Middleware(OnlyThisServer),
        Middleware(FrontPage),
        Middleware(Admission),
    ],
)
