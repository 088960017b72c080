"""In an environment with the wheel and its extra `serve`, without torch: the service answers, and its pages are there.

bare_serves.py BUNDLE USER
"""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path


def main(bundle: str, user: str) -> None:
    """Starts the service on a free port, asks it, and ends it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [str(Path(sys.executable).with_name("fashion-hash")), "serve", bundle, "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as service:
        try:
            wait_for(f"{address}/readyz", service)
            body = json.dumps({"k": 3}).encode()
            question = urllib.request.Request(
                f"{address}/v1/users/{user}/outfits", body, {"content-type": "application/json"}
            )
            with urllib.request.urlopen(question, timeout=30) as reply:
                assert len(json.load(reply)["outfits"]) == 3
            for page in ("/", f"/?user={user}", f"/search?user={user}&q=red", "/model"):
                with urllib.request.urlopen(address + page, timeout=30) as reply:
                    assert "</html>" in reply.read().decode(), page
        finally:
            service.terminate()
    print("the service answers without torch, pages included")


def wait_for(address: str, service: subprocess.Popen[bytes]) -> None:
    """Waits until the service is ready."""
    for _ in range(300):
        assert service.poll() is None, "the service ended before it was ready"
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the service was not ready within a minute")


if __name__ == "__main__":
    main(*sys.argv[1:])
