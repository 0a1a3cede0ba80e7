"""A peer whose record is over soon after it was killed: a module beside that of an operator."""

import kopf


@kopf.on.startup()
def configure(settings, **_):
    settings.peering.lifetime = 12
