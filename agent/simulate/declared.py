"""What a simulated device is made of where nothing else is said: what its profile declares."""

from __future__ import annotations

from agent.simulate.physics import Body
from agent.wire.profile import Profile


def body_of(profile: Profile, time_constant_s: float = 60.0) -> Body:
    """The body that the profile declares; what it leaves out is a small board on the mains."""
    thermal, power, battery = profile.thermal, profile.power, profile.battery
    return Body(
        resistance_celsius_per_watt=thermal.resistance_celsius_per_watt if thermal else 5.0,
        time_constant_s=(thermal.time_constant_s if thermal else None) or time_constant_s,
        idle_watts=power.idle_watts if power else 1.0,
        busy_watts=power.busy_watts if power else 2.0,
        battery_watt_hours=battery.capacity_watt_hours if battery else None,
    )


def declared_ambient_celsius(profile: Profile) -> float:
    """The surroundings that it is made for; 25 C where it does not say."""
    return profile.thermal.ambient_celsius if profile.thermal else 25.0
