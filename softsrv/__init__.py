"""SoftSRV: trained soft prompts that steer a frozen model toward a target sample.

This folder holds the place of a part that is not built yet.
"""

__all__: list[str] = []
