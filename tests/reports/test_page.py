"""What the report says, without a browser."""

from __future__ import annotations

from ui.test_observer_view import status

from upload_client.core.delivery_status import Notice
from upload_client.reports.html.page import MAX_KINDS, render


def test_it_tells_how_valid_files_were_judged():
    page = "".join(render(status(opened={"csv": 7, "not opened: <b>no library": 2}), [], None))
    assert "How valid files were judged" in page
    assert "<td>not opened: &lt;b&gt;no library</td>" in page
    many = {f"way {n}": 1 for n in range(MAX_KINDS + 2)}
    assert "And in 2 other ways." in "".join(render(status(opened=many), [], None))
    assert "How valid files" not in "".join(render(status(opened={}), [], None))


def test_commands_in_advice_are_code_on_the_page():
    notice = Notice("error", "locked", "It waits for `<b>`", "Run `upload-client unlock` if <it> is dead.")
    page = "".join(render(status(problems=(notice,)), [], None))
    assert "<b>It waits for <code>&lt;b&gt;</code></b>" in page
    assert "Run <code>upload-client unlock</code> if &lt;it&gt; is dead." in page
