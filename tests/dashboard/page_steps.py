"""What tests do on a page in a browser, however slow the machine: they wait for states, never for a time."""

from time import monotonic

PATIENT = 60_000  # milliseconds until a state is taken for one that does not come
_TRY = 5_000  # milliseconds for an option to be clicked, before its list is opened anew

# The script has ended, every chart that can be seen is drawn, nothing is to come, nothing moves for a while.
_SETTLED = """() => {
  const app = document.querySelector("[data-testid=stApp]")
  const charts = [...document.querySelectorAll("[data-testid=stVegaLiteChart]")]
  const main = document.querySelector("[data-testid=stMain]")
  const ended = app?.dataset.testScriptState === "notRunning" && main !== null
    && document.querySelector("[data-stale=true], [data-testid=stSkeleton], [data-testid=stSpinner]") === null
    && charts.every((one) => one.offsetParent === null || one.querySelector("svg, canvas"))
  const places = !ended ? "" : [main, ...main.querySelectorAll("iframe, canvas, svg, button, input")]
    .map((one) => one.getBoundingClientRect())
    .map((box) => [box.x, box.y, box.width, box.height].join()).join(";")
  if (places === "" || places !== window.placesSeen) {
    window.placesSeen = places
    window.framesAlike = 0
  }
  window.framesAlike += 1
  return window.framesAlike > 12
}"""


def settle(page):
    """Wait until all of the page is there and stays where it is: what is clicked then is what is meant.

    After a click that has the script run again, wait for what it changes first: the page was settled before.
    """
    page.wait_for_function(_SETTLED, timeout=PATIENT)


def choose(page, label, name):
    """Choose from a list, which closes when the page moves under it, as it may until all is drawn."""
    from playwright.sync_api import TimeoutError as NotThereError  # nothing but a browser needs it

    box = page.get_by_role("combobox", name=label)
    option = page.get_by_role("option", name=name, exact=True)
    until = monotonic() + PATIENT / 1000
    while True:
        settle(page)
        box.evaluate("element => element.scrollIntoView({block: 'center'})")
        box.press("ArrowDown")
        try:
            option.click(timeout=_TRY)
        except NotThereError:
            if monotonic() > until:
                raise
        else:
            return
