"""Does the report work in a browser? In headless Chromium: no errors, the slider works, and nothing is cut off."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bakeoff.__main__ import main
from bakeoff.records.trial import Status
from tests.support.builders import HOSTILE, STACKS, broken, cell, matrix, save

BROWSER = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra `dev`")
pytest.importorskip("altair", reason="needs the extra `report`: pip install '.[report]'")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no browser here: apt-get install chromium")

# as root, and without asking anybody on the network for anything
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
WIDTHS = (360, 768, 1440)
OPENS_RATIO = 2


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=[*FLAGS, "--disable-component-update", "--disable-sync"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, kept: Path) -> Path:
    folder = tmp_path_factory.mktemp("small")
    slow = [cell("m0", stack, share * 1.5e-3, seed=i) for i, (stack, share) in enumerate(STACKS.items())]
    save(folder, 1, slow)
    save(folder, 2, slow)
    save(folder, 3, matrix())
    return _report(folder, kept, "--all")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, kept: Path) -> Path:
    """500 cells: 50 models on ten stacks, and every one with its curves."""
    folder = tmp_path_factory.mktemp("large")
    stacks = [f"{name}{suffix}" for name in STACKS for suffix in ("", "_2")]
    trials = [
        cell(f"model_{m}", stack, (1 + s / 10) * 1e-3, seed=m * 10 + s) for m in range(50) for s, stack in enumerate(stacks)
    ]
    trials[7] = broken("model_0", stacks[7], "no")
    save(folder, 1, trials)
    return _report(folder, kept)


def _report(folder: Path, kept: Path, *arguments: str) -> Path:
    path = folder / "report.html"
    storage = ["--benchmark-storage", str(folder / "saved"), "--bakeoff-storage", str(kept)]
    assert main(["report", *arguments, "-o", str(path), *storage]) == 0
    return path


class Opened:
    """A page, the messages on its console, and its requests."""

    def __init__(self, browser: Any, path: Path, width: int = 1440, **settings: Any) -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 900}, **settings)
        self.output: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.output.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.output.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready]")

    def scroll(self) -> None:
        """To the end, so that everything has been drawn."""
        at = 0
        while at < self.page.evaluate("document.body.scrollHeight"):
            self.page.evaluate(f"scrollTo(0, {at})")
            self.page.wait_for_timeout(60)
            at += 600
        self.page.wait_for_timeout(200)

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))


@pytest.mark.parametrize(("width", "scheme"), [*((width, "light") for width in WIDTHS), (WIDTHS[0], "dark")])
def test_nothing_is_cut_off_and_there_are_no_errors(chromium: Any, small: Path, width: int, scheme: str) -> None:
    opened = Opened(chromium, small, width, color_scheme=scheme)
    opened.scroll()
    assert opened.output == []
    assert [url for url in opened.asked if not url.startswith(("file:", "blob:", "data:"))] == []
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    cut = """[...document.querySelectorAll("main *, header *")].filter((node) => {
        const box = node.getBoundingClientRect(), scroll = node.closest(".scroll");
        const hidden = !box.width || node.closest(".heat thead");  // off the screen on a phone, for screen readers only
        return !hidden && (!scroll || scroll === node) && (box.right > innerWidth + 1 || box.left < -1);
    }).map((node) => node.outerHTML.slice(0, 80))"""
    assert opened.page.evaluate(cut) == []
    text = """[...document.querySelectorAll("button.cell .value, button.cell .stack, select, .button, td, th")]
        .filter((node) => node.getBoundingClientRect().width && node.scrollWidth > node.clientWidth + 1)
        .map((node) => node.outerHTML.slice(0, 80))"""
    assert opened.page.evaluate(text) == []
    for chart in ("cost", "total", "warmup", "spread", "phases", "roofline", "trend"):
        opened.page.wait_for_selector(f"[data-chart={chart}] svg", state="attached")
        assert opened.page.locator(f"[data-chart={chart}] svg").count() == 1, chart
    opened.page.close()


def test_the_slider_shows_the_winner(chromium: Any, small: Path) -> None:
    opened = Opened(chromium, small)
    opened.page.select_option("#model", "m0")
    for steps in (1, 100, 3000, 1_000_000):
        opened.page.fill("#steps-number", str(steps))
        # 50 steps' time to begin with in eager, 5,000 elsewhere; each step costs `share` ms
        first = {stack: 50 if stack.endswith("eager") else 5000 for stack in STACKS}
        total = {stack: (first[stack] - 1 + steps) * share for stack, share in STACKS.items()}
        winner = min(total, key=total.__getitem__)
        assert opened.text("#answer").startswith(f"{winner} for {steps:,} step{'s' * (steps > 1)} of m0")
    opened.page.fill("#steps-number", "4500")  # there torch_eager and torch_inductor cost the same
    assert opened.text("#answer").startswith("torch_eager, torch_inductor for 4,500 steps of m0")
    assert "These cannot be told apart." in opened.text("#answer")
    opened.page.locator("#steps").focus()
    opened.page.keyboard.press("Home")
    assert opened.page.input_value("#steps-number") == "1"
    assert opened.text("#answer").startswith("torch_eager for 1 step of m0")
    opened.page.keyboard.press("End")
    assert opened.text("#answer").startswith("torch_inductor for 10,000,000 steps")
    assert opened.page.locator("#ranking tbody tr").first.text_content().startswith("torch_inductor")
    assert opened.output == []


@pytest.mark.parametrize("width", [360, 1440])
def test_a_failed_cells_reason_can_be_read(chromium: Any, small: Path, width: int) -> None:
    opened = Opened(chromium, small, width, has_touch=width == 360)
    button = opened.page.locator("button.cell[data-cell=branchy-tf_function-inference]")
    assert button.locator(".value").inner_text() == "unsupported"
    assert "tracing stops at models/branchy.py:75" in str(button.get_attribute("title"))
    button.tap() if width == 360 else button.click()
    assert "tracing stops at models/branchy.py:75" in opened.text("#cell-status")
    assert "What to do: leave the graph alone" in opened.text("#cell-findings")
    assert "SymbolicTensor" not in opened.text("#cell-findings")
    assert "numpy()" in opened.text("#cell-findings pre .here")


def test_by_keyboard_alone(chromium: Any, small: Path) -> None:
    opened = Opened(chromium, small)
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("document.activeElement.className") == "skip"
    opened.page.keyboard.press("Enter")
    opened.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    for _ in range(6):
        opened.page.keyboard.press("Tab")
        if opened.page.evaluate("document.activeElement.classList.contains('cell')"):
            break
    name = opened.page.evaluate("document.activeElement.dataset.cell")
    assert name
    opened.page.keyboard.press("Enter")
    assert opened.text("#cell-title") == name
    assert opened.page.evaluate("document.activeElement.id") == "cell-title"


def test_every_metric_colours_the_matrix(chromium: Any, small: Path) -> None:
    opened = Opened(chromium, small)
    shown = {}
    for metric in opened.page.eval_on_selector_all("#metric option", "options => options.map((o) => o.value)"):
        opened.page.select_option("#metric", metric)
        shown[metric] = opened.text("button.cell[data-cell=m0-torch_inductor-inference] .value")
    assert shown["over_eager"].startswith("×2.00 ±")
    assert shown["over_best"] == "×1.00"
    assert shown["compile_cold_wall"].startswith("1.5 s")
    assert shown["breaks"] == "0"
    assert shown["share_of_machine_peak"].endswith("%")
    assert opened.output == []


def test_downloads_hold_every_cell(chromium: Any, small: Path, tmp_path: Path) -> None:
    opened = Opened(chromium, small)
    with opened.page.expect_download() as csv:
        opened.page.click("#csv")
    lines = Path(csv.value.path()).read_text().splitlines()
    assert lines[0].startswith("cell,model,stack,mode")
    assert len(lines) == 1 + len(matrix())
    with opened.page.expect_download() as whole:
        opened.page.click("#json")
    data = json.loads(Path(whole.value.path()).read_text())
    assert [c["cell"] for c in data["cells"] if c["status"] == Status.UNSUPPORTED] == ["branchy-tf_function-inference"]
    assert data["details"]["m0-torch_script-inference"]["spread"]


def test_text_from_a_file_does_nothing(chromium: Any, kept: Path, tmp_path: Path) -> None:
    save(tmp_path, 1, [*matrix(1), *(broken(f"b{i}", "tf_function", text) for i, text in enumerate(HOSTILE))])
    opened = Opened(chromium, _report(tmp_path, kept))
    for i in range(len(HOSTILE)):
        opened.page.click(f"button.cell[data-cell=b{i}-tf_function-inference]")
    opened.scroll()
    assert opened.page.evaluate("window.hacked") is None
    assert opened.output == []


def test_print_shows_every_chart(chromium: Any, small: Path) -> None:
    opened = Opened(chromium, small)
    opened.page.emulate_media(media="print")
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    for chart in ("trend", "roofline"):
        opened.page.wait_for_selector(f"[data-chart={chart}] svg", state="attached")
        assert opened.page.locator(f"[data-chart={chart}] svg").count() == 1
    assert len(opened.page.pdf()) > 20_000


def test_five_hundred_cells_open_at_once(chromium: Any, small: Path, large: Path) -> None:
    """At most twice the time of a report with a few cells, opened in turns with it: both pay for the chart library."""
    assert large.stat().st_size < 5e6
    opens: dict[Path, list[float]] = {small: [], large: []}
    while len(opens[large]) < 3 or (min(opens[large]) > OPENS_RATIO * min(opens[small]) and len(opens[large]) < 10):
        for path in opens:
            opened = Opened(chromium, path)
            opened.page.wait_for_selector("[data-chart=cost] svg")
            opens[path].append(opened.page.evaluate("performance.now()") / 1e3)  # since the navigation began
            assert opened.output == []
            assert opened.page.locator("button.cell").count() == 500 or path == small
            opened.page.close()
    assert min(opens[large]) <= OPENS_RATIO * min(opens[small]), opens
