"""X-Ray: decision forensics for pipelines that generate, retrieve, filter, rank and select."""

from xray.capture.redaction import REDACTED
from xray.capture.run import Run
from xray.capture.step import Step
from xray.capture.wrapping import wrap
from xray.destinations import close, flush, stats
from xray.errors import XRayDeliveryError, XRayError
from xray.session import XRay, attach, configure, xray_run, xray_step

__all__ = [
    "REDACTED",
    "Run",
    "Step",
    "XRay",
    "XRayDeliveryError",
    "XRayError",
    "attach",
    "close",
    "configure",
    "flush",
    "stats",
    "wrap",
    "xray_run",
    "xray_step",
]
