"""The pictures of the pages in docs/images: a service over a bundle, photographed in Chromium.

python benchmarks/draw_pages.py runs/requests_sample/bundle docs/images [--user 1] [--text "a dark striped shirt"]
"""

from __future__ import annotations

import argparse
import shutil
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from playwright.sync_api import sync_playwright

from fashion_hash.serving.app import create_app
from fashion_hash.serving.models import Models
from fashion_hash.serving.settings import Settings

DESK, PHONE = (1280, 860), (390, 844)
QUALITY, TIMEOUT = 78, 120_000  # milliseconds, for busy machines


def main(argv: Sequence[str] | None = None) -> int:
    """Takes the pictures and says how large they are."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("bundle", help="a bundle with pictures, such as runs/demo/bundle after `make demo`")
    parser.add_argument("out", type=Path, help="the folder of the pictures")
    parser.add_argument("--user", default="1", help="a user id (default 1)")
    parser.add_argument("--text", default="a dark striped shirt", help="a request in words")
    options = parser.parse_args(argv)
    user, words = f"user={options.user}", options.text.replace(" ", "+")
    pages = {
        "page-stylist.jpg": (f"/?{user}", DESK, False),
        "page-new.jpg": ("/", DESK, False),
        "page-canvas.jpg": (f"/canvas?{user}", DESK, False),
        "page-search.jpg": (f"/search?{user}&q={words}", DESK, False),
        "page-model.jpg": ("/model", DESK, False),
        "page-phone.jpg": (f"/?{user}", PHONE, True),
        "page-phone-canvas.jpg": (f"/canvas?{user}", PHONE, True),
    }
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with serving(options.bundle) as address, sync_playwright() as drivers:
        browser = drivers.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, (path, (width, height), dark) in pages.items():
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if dark else "light",
                is_mobile=width == PHONE[0],
                device_scale_factor=1,
            )
            context.set_default_timeout(TIMEOUT)
            page = context.new_page()
            page.goto(address + path)  # once to warm up: what stands beside a heading is the time of the second answer
            page.goto(address + path)
            page.wait_for_load_state("networkidle")
            page.screenshot(path=options.out / name, type="jpeg", quality=QUALITY)
            context.close()
            print(f"wrote {options.out / name}: {(options.out / name).stat().st_size / 1e3:.0f} kB")
        browser.close()
    return 0


@contextmanager
def serving(bundle: str) -> Iterator[str]:
    """A service on a port of its own; the address of it."""
    app: Any = create_app(Models.open([bundle]), Settings(access_log=False))
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


if __name__ == "__main__":
    raise SystemExit(main())
