"""How long a device's battery is projected to last on a variant, and what one inference takes of it.

Mean draw at the declared rate r, with t the variant's usual time on the device:

    P = P_idle + min(1, r t) (P_busy - P_idle)     life = 3600 eta Wh / P     energy above idle = t (P_busy - P_idle)

Idle and busy draw are the profile's, or as telemetry taught. t is the variant's median times the device's slowness,
with no margin: an envelope promises, this projects.
"""

from __future__ import annotations

from agent.wire.profile import Profile
from controller.core.calibrate import slowness
from controller.core.envelope import busy_watts
from controller.core.nouns.calibration import Calibration
from controller.core.nouns.variant import Variant


def usual_latency_s(profile: Profile, calibration: Calibration, variant: Variant) -> float:
    return variant.latency_p50_s * slowness(profile, calibration)


def energy_joules(profile: Profile, calibration: Calibration, variant: Variant) -> float | None:
    """What one inference takes above idling; None where the profile has no power figures."""
    power = profile.power
    if power is None:
        return None
    return usual_latency_s(profile, calibration, variant) * (busy_watts(power, calibration) - power.idle_watts)


def mean_watts(profile: Profile, calibration: Calibration, variant: Variant) -> float | None:
    """None where the profile has no power figures. A device that cannot keep up is busy all the time."""
    power = profile.power
    if power is None:
        return None
    share = min(1.0, profile.rate_hz * usual_latency_s(profile, calibration, variant))
    return power.idle_watts + share * (busy_watts(power, calibration) - power.idle_watts)


def battery_life_s(profile: Profile, calibration: Calibration, variant: Variant) -> float | None:
    """From full to empty; None without a battery."""
    battery, watts = profile.battery, mean_watts(profile, calibration, variant)
    if battery is None or not watts:
        return None
    return 3600.0 * battery.efficiency * battery.capacity_watt_hours / watts
