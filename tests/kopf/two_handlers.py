"""Two handlers of each change: the twin of the operator in tests/e2e/handover/two_handlers.rs."""

import kopf

import rehearsal


@kopf.on.create("configmaps")
@rehearsal.noted
def first(**_):
    pass


@kopf.on.create("configmaps")
@rehearsal.noted
def second(**_):
    pass


@kopf.on.update("configmaps")
@rehearsal.noted
def changed(**_):
    pass


@kopf.on.update("configmaps")
@rehearsal.noted
def also_changed(**_):
    pass
