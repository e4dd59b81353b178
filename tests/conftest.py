"""What every test shares."""

from hypothesis import settings

# A loaded machine makes single examples slow; a whole test that hangs still fails.
settings.register_profile("xray", deadline=None)
settings.load_profile("xray")
