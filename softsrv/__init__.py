"""SoftSRV: trained soft prompts that steer a frozen model toward a target sample.

The parameterisations, training and sampling arrive with their own issue; this folder holds their place.
"""

__all__: list[str] = []
