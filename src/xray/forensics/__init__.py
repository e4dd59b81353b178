"""Why a run decided what it decided: pure answers over stored records."""
