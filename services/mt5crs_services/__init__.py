"""The processes beside the strategies: gateway, tape and feed."""
