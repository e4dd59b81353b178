"""The capture levels: one class each, chosen when a step opens, so that no verb asks again."""

from __future__ import annotations

from typing import Final

from xray.capture.minimal import MinimalStep
from xray.capture.sampled import FullStep, SampledStep
from xray.capture.step import Step
from xray.model.vocabulary import CaptureLevel

STEP_CLASSES: Final[dict[CaptureLevel, type[Step]]] = {
    "minimal": MinimalStep,
    "sample": SampledStep,
    "full": FullStep,
}
