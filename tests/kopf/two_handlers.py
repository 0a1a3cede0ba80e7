"""Two handlers for each kind of change, the same as those in tests/e2e/handover/two_handlers.rs."""

import kopf

import recording


@kopf.on.create("configmaps")
@recording.recorded
def first(**_):
    pass


@kopf.on.create("configmaps")
@recording.recorded
def second(**_):
    pass


@kopf.on.update("configmaps")
@recording.recorded
def changed(**_):
    pass


@kopf.on.update("configmaps")
@recording.recorded
def also_changed(**_):
    pass
