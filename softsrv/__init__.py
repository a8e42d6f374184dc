"""SoftSRV: trained soft prompts that steer a frozen model toward a target sample."""
