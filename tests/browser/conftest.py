"""Chromium for the tests of this folder; without one they are skipped and say so."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FloatRect, Page, sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SCREENSHOTS_TO = os.environ.get("SCREENSHOTS_TO")
MAX_PICTURE_BYTES = 300_000
# a picture says where a user's files would lie, not where those of the test do
WITHOUT_TEMPORARY_FOLDERS = """
() => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode;
    const folder = /\\/(?!\\/)\\S*pytest-\\d+\\/[^\\/]+\\/warehouse/;
    text.data = text.data.replace(folder, '/home/me/rotation/warehouse/data');
  }
}
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM is None:
        reason = "no chromium here; install it with: apt-get install chromium"
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., tuple[Page, list[str], list[str]]]]:
    """Opens a file at a size and in a light; complaints and requests of the page are collected."""
    contexts = []

    def visit(path: Path, size: dict[str, int], light: str = "light") -> tuple[Page, list[str], list[str]]:
        context = browser.new_context(viewport=size, color_scheme=light)
        contexts.append(context)
        page, complaints, requests = context.new_page(), [], []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        return page, complaints, requests

    yield visit
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def take_picture() -> Callable[..., None]:
    """Keeps what a page shows for the documentation, when `make screenshots` asks for it."""

    def take_picture(page: Page, name: str, clip: FloatRect | None = None) -> None:
        if SCREENSHOTS_TO:
            page.mouse.move(0, 0)  # nothing is hovered over
            page.evaluate(WITHOUT_TEMPORARY_FOLDERS)
            picture = page.screenshot(path=Path(SCREENSHOTS_TO) / f"{name}.png", animations="disabled", clip=clip)
            assert len(picture) < MAX_PICTURE_BYTES, name

    return take_picture
