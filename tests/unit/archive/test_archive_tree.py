"""Fetching over HTTP: what is asked again, what is given up, and how a folder stands in for the archive."""

import asyncio
from datetime import date
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from pipelines.archive.errors import ArchiveError, ArchiveUnreachable, RefusedFile
from pipelines.archive.importer import GIVE_UP_AFTER
from pipelines.archive.names import KINDS
from pipelines.archive.session import Order, run_import
from pipelines.archive.tree import FolderTree, open_url
from pipelines.policy import Policy
from pipelines.settings import load_settings

LIST = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"


async def read(handler, key="data/x.zip", most=100, patience_s=60.0, listing=LIST):
    """What an archive that answers with `handler` gives for a file, and the requests that it took."""
    app = web.Application()

    async def lists(request):
        return web.Response(text=listing, content_type="application/xml")

    app.router.add_get("/", lists)
    app.router.add_get("/data/{name}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with open_url(url, timeout_s=0.5, patience_s=patience_s, connections=2) as tree:

            async def no_wait(_):
                pass

            tree._sleep = no_wait
            before = tree.requests
            try:
                return await tree.read(key, most), tree.requests - before
            except ArchiveError as error:
                return error, tree.requests - before
    finally:
        await runner.cleanup()


def answering(*answers):
    """A handler that gives one answer after the other, the last one for ever: a status, bytes, or a way to fail."""
    left = list(answers)

    async def handler(request):
        answer = left.pop(0) if len(left) > 1 else left[0]
        if answer == "reset":
            request.transport.abort()
            return web.Response()
        if answer == "hang":
            await asyncio.sleep(5)
        if answer == "half":
            response = web.StreamResponse(headers={"Content-Length": "50"})
            await response.prepare(request)
            await response.write(b"x" * 25)
            request.transport.close()
            return response
        return web.Response(status=answer) if isinstance(answer, int) else web.Response(body=answer)

    return handler


@pytest.mark.parametrize("first", [500, 503, 429, "half", "hang"])
def test_a_passing_fault_is_asked_again(first):
    assert asyncio.run(read(answering(first, b"good"))) == (b"good", 2)


def test_a_connection_that_is_cut_is_made_again():
    body, _ = asyncio.run(read(answering("reset", "reset", "reset", b"good")))
    assert body == b"good"


def test_what_does_not_get_better_is_given_up_after_five_times():
    error, requests = asyncio.run(read(answering(500)))
    assert isinstance(error, ArchiveUnreachable) and "HTTP 500, however often it was asked" in str(error)
    assert requests == 5


def test_a_file_that_is_not_there_is_none():
    assert asyncio.run(read(answering(404))) == (None, 1)


@pytest.mark.parametrize(("status", "why"), [(403, "refuses this address"), (451, "does not serve this country")])
def test_a_refusal_is_not_asked_again(status, why):
    error, requests = asyncio.run(read(answering(status)))
    assert isinstance(error, ArchiveUnreachable) and why in str(error) and requests == 1


def test_a_redirection_is_not_followed_to_another_place():
    async def away(request):
        raise web.HTTPFound("http://127.0.0.1:1/elsewhere")

    error, requests = asyncio.run(read(away))
    assert isinstance(error, RefusedFile) and "HTTP 302" in str(error) and requests == 1


def test_an_answer_without_end_is_cut_off():
    error, _ = asyncio.run(read(answering(b"x" * 101)))
    assert isinstance(error, RefusedFile) and "more than 100 bytes" in str(error)


def test_an_address_without_a_list_of_files_is_named():
    with pytest.raises(ArchiveError, match="check --base-url"):
        asyncio.run(read(answering(b""), listing="<html></html>"))


@pytest.mark.parametrize("address", ["data.binance.vision", "ftp://x", "http://"])
def test_what_is_no_address_is_said_to_be_none(address):
    async def opened():
        async with open_url(address, timeout_s=1, patience_s=0, connections=1):
            pass

    with pytest.raises(ArchiveError, match="is no address"):
        asyncio.run(opened())


def test_the_folder_may_be_the_one_that_holds_data_or_data_itself(archive):
    archive.put("data/futures/um/x.zip", b"x", None)
    for folder in (archive.root, archive.root / "data"):
        tree = FolderTree(folder)
        assert asyncio.run(tree.page("data/futures/", "", 9)).names == ("data/futures/um/",)
        assert asyncio.run(tree.read("data/futures/um/x.zip", 9)) == b"x"
    assert asyncio.run(tree.page("data/futures/no/", "", 9)).names == ()


def test_a_folder_without_the_archives_layout_is_refused(tmp_path):
    with pytest.raises(ArchiveError, match="holds no folder `data`"):
        FolderTree(tmp_path)
    with pytest.raises(ArchiveError, match="no such folder"):
        FolderTree(tmp_path / "absent")


def test_an_archive_that_dies_on_the_way_stops_the_import_and_keeps_what_is_read(archive, tmp_path):
    """Of ten days the first four arrive; three unanswered files later nothing more is asked for."""
    days = [date(2024, 2, day) for day in range(1, 11)]
    for day in days:
        archive.put_metrics(day, archive.metrics_rows(day))
    folder = FolderTree(archive.root)

    class Dying:
        origin, requests, asked = ("live", ""), 0, 0

        async def page(self, *arguments):
            return await folder.page(*arguments)

        async def read(self, key, most):
            self.asked += 1
            if key.rsplit("metrics-")[-1] >= "2024-02-05":
                raise ArchiveUnreachable(f"{urlsplit(key).path}: no answer")
            return await folder.read(key, most)

    from contextlib import asynccontextmanager

    from pipelines.archive import session

    tree = Dying()

    @asynccontextmanager
    async def opened(*_):
        yield tree, "here"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "_open", opened)
        order = Order(days[0], days[-1], KINDS, ("BTC/USDT:USDT",), folder=archive.root)
        report = run_import(load_settings(warehouse_dir=tmp_path / "warehouse"), Policy(), order).report
    assert (report.read, report.rows_written, len(report.refused)) == (4, 4 * 288, GIVE_UP_AFTER)
    assert "no answer" in report.unreachable
