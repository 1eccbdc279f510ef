"""The page *New study*: a form over the YAML of a study, and what ``workbench check`` says of it.

The YAML is what counts (``draft``); the form (``form``, ``fields``) changes its keys and reads them back.
``offered`` has what can be varied, ``checking`` checks in the background, ``check_panel`` shows what it
found, ``files`` saves and opens.
"""
