"""The service: the answers of a Recommender over HTTP, and the pages that people use.

Needs the extra `serve`. `create_app` makes the application of open bundles; `fashion-hash serve` runs it in several
processes.
"""

from fashion_hash.core.extras import require_extra

require_extra("serve", "fashion_hash.serving", "fastapi", "uvicorn", "prometheus_client", "python_multipart")
