"""Risk rules: what is asked before each order is executed, and what they remember of deals."""

from mt5crs_services.gateway.risk.proposal import Breach, Proposal, Refusal
from mt5crs_services.gateway.risk.rule import NoState, Rule
from mt5crs_services.gateway.risk.rule_set import RiskRules
from mt5crs_services.gateway.risk.trading_locks import TradingLocks

__all__ = ["Breach", "NoState", "Proposal", "Refusal", "RiskRules", "Rule", "TradingLocks"]
