"""explore(model) opens the page: written to a file, served on this machine, or shown in a notebook."""

from __future__ import annotations

import html
import importlib.util
import secrets
import socket
import sys
import tempfile
import threading
import time
import webbrowser
from pathlib import Path
from typing import Any, final

from rheobase.errors import InputError, nearest
from rheobase.explorer.catalogue import PATTERNS
from rheobase.explorer.document import build_page
from rheobase.explorer.reader import Limits
from rheobase.model.neuron import Neuron
from rheobase.model.zoo import NEURONS

__all__ = ["Explorer", "explore", "find_model"]

#: what a server needs beyond the core
_NEEDED = ("starlette", "uvicorn")
_WIDGETS = "anywidget"


@final
class Explorer:
    """A page that is open, at `url`; in a notebook it shows itself, and `widget` is what it shows.

    Where it is served, `close` ends the server, and `wait` waits for Ctrl-C.
    """

    def __init__(
        self,
        url: str,
        document: str,
        server: Any = None,
        thread: threading.Thread | None = None,
        widget: Any = None,
    ) -> None:
        self.url, self.widget = url, widget
        self._document, self._server, self._thread = document, server, thread

    @property
    def served(self) -> bool:
        """Whether Python stands behind the page and reads rows that are typed there."""
        if self.widget is not None:
            return self.widget.comm is not None
        return self._thread is not None and self._thread.is_alive()

    def close(self) -> None:
        """End the server, or take the widget away; a served page goes on, but for rows typed into it."""
        if self.widget is not None:
            self.widget.close()
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(10)

    def wait(self) -> None:
        """Wait until Ctrl-C, then end the server."""
        try:
            while self.served:
                time.sleep(0.2)
        except KeyboardInterrupt:
            pass
        finally:
            self.close()

    def __enter__(self) -> Explorer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Explorer({self.url})"

    def _repr_mimebundle_(self, **asked: Any) -> Any:
        return {} if self.widget is None else self.widget._repr_mimebundle_(**asked)

    def _repr_html_(self) -> str | None:
        if self.widget is not None:
            return None
        looks = 'style="width:100%;height:820px;border:0" title="rheobase" sandbox="allow-scripts allow-downloads"'
        return f'<iframe {looks} srcdoc="{html.escape(self._document)}"></iframe>'


def find_model(name: str) -> Neuron | str:
    """Return what the page opens with by a name of the zoo or a letter of the twenty patterns.

    Raises
    ------
    InputError
        If there is no such model.

    Examples
    --------
    >>> find_model("AdEx"), find_model("C")
    ('AdEx', 'pattern-C')
    """
    if name in NEURONS:
        return name
    if len(name) == 1 and name.upper() in PATTERNS:
        return f"pattern-{name.upper()}"
    raise InputError(
        f"there is no model '{name:.60}'.{nearest(name, NEURONS)} Models: {', '.join(NEURONS)}; firing patterns: A to T"
    )


def explore(
    model: Neuron | str | None = None,
    *,
    out: str | Path | None = None,
    overwrite: bool = True,
    port: int | None = None,
    browser: bool = True,
    wait: bool | None = None,
) -> Explorer | Path:
    """Return the page on which a neuron is played with, opened in the browser.

    The page runs the model itself, from JavaScript printed from the same rows as the engines' code, and gives the
    reference engine's spike steps: sliders for all parameters, stimuli, traces, f-I curve, phase plane, two sets of
    parameters side by side; leaky buckets, rows of your own, and what leaks, stairs and networks do to timing.

    Parameters
    ----------
    model : Neuron or str, optional
        What the page opens with: a neuron, a name of the zoo ("AdEx"), or a letter of Izhikevich's twenty firing
        patterns ("C"). Without it, the buckets.
    out : path, optional
        Write the page to this file, which can be mailed or put on any web server, and return its path; it asks for
        nothing from anywhere. Nothing is opened.
    overwrite : bool
        Whether `out` may replace a file.
    port : int, optional
        Where the server listens, on this machine only; any free port without it.
    browser : bool
        Whether to open the browser.
    wait : bool, optional
        Whether to wait for Ctrl-C while the page is served; by default in scripts, not at a prompt or in a notebook.

    Returns
    -------
    Explorer or Path
        `Explorer` has ``url``, ``close()`` and ``wait()``; in a notebook it shows itself, and ``widget`` can be put
        beside others. Rows can be typed on a page that is served, which needs ``pip install 'rheobase[explore]'``, or
        in a notebook, which needs ``pip install 'rheobase[notebook]'``; without them the page is a file, or a frame.

    Raises
    ------
    InputError
        If the model is a network or has arrays or distributions among its values, the name is unknown, the file cannot
        be written, or the port is taken.

    Examples
    --------
    >>> from rheobase.model.zoo import AdEx
    >>> import tempfile
    >>> explore(AdEx(), out=Path(tempfile.mkdtemp()) / "adex.html").name
    'adex.html'
    """
    start = find_model(model) if isinstance(model, str) else model
    if out is not None:
        return _write(Path(out), build_page(start)[0], overwrite)
    if _in_notebook():
        return _show_in_notebook(start)
    if not all(importlib.util.find_spec(name) for name in _NEEDED):
        if port is not None:
            raise InputError("port= needs a server: pip install 'rheobase[explore]'")
        path = _write(Path(tempfile.mkdtemp(prefix="rheobase_")) / "page.html", build_page(start)[0], True)
        page = Explorer(path.as_uri(), "")
        print(f"{page.url}\n(rows of your own can be typed with: pip install 'rheobase[explore]')", file=sys.stderr)
        if browser:
            webbrowser.open(page.url)
        return page
    page = serve(start, port)
    if browser:
        webbrowser.open(page.url)
    if wait if wait is not None else not _is_interactive():
        print(f"{page.url} (Ctrl-C ends it)", file=sys.stderr)
        page.wait()
    return page


def _show_in_notebook(model: Neuron | str | None) -> Explorer:
    """Return the page as a widget, or, without anywidget, as a frame in which no rows can be typed."""
    if importlib.util.find_spec(_WIDGETS):
        from rheobase.explorer.widget import Widget

        return Explorer("in this notebook", "", widget=Widget(model))
    print("rows of your own can be typed here with: pip install 'rheobase[notebook]'", file=sys.stderr)
    return Explorer("in this notebook", build_page(model)[0])


def serve(model: Neuron | str | None = None, port: int | None = None, limits: Limits | None = None) -> Explorer:
    """Return the page served in a thread of this process, on 127.0.0.1 only."""
    import uvicorn

    from rheobase.explorer.server import Rejecting, make_app

    token = secrets.token_urlsafe(24)
    limits = limits or Limits()
    document, policy = build_page(model, {"token": token, "bytes": limits.body})
    listening = _listen(port)
    actual = int(listening.getsockname()[1])
    app = make_app(document, policy, token, lambda: actual, limits)
    config = uvicorn.Config(
        app,
        http=Rejecting,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        log_level="critical",
        server_header=False,
        date_header=False,
        limit_concurrency=200,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=16_384,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True, name="rheobase page")
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    return Explorer(f"http://127.0.0.1:{actual}/", document, server, thread)


def _listen(port: int | None) -> socket.socket:
    if port is not None and not 0 <= port <= 65535:
        raise InputError(f"port = {port} is no port; give one from 1024 to 65535, or none")
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port or 0))
    except OSError as error:
        listening.close()
        raise InputError(f"port {port} cannot be used ({error.strerror}); give another, or none for any") from error
    return listening


def _write(path: Path, text: str, overwrite: bool) -> Path:
    try:
        with open(path, "w" if overwrite else "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(f"{path} is there already; give another name, or overwrite=True") from None
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    return path


def _in_notebook() -> bool:
    """Return whether a notebook is listening, which shows what is returned."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and hasattr(shell, "kernel")


def _is_interactive() -> bool:
    return hasattr(sys, "ps1") or bool(sys.flags.interactive)
