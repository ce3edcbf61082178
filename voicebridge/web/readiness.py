"""Whether the daemon may be relied on now. Pure."""

from typing import Any

from voicebridge.domain.window import Json

ENGINE_LOADING = {
    "code": "engine_loading",
    "sentence": "The engine is not loaded yet: what is said is kept, and becomes text later.",
    "advice": "Wait; `voicebridge status` says how it gets on.",
    "degrades": True,
}
STATES = {
    "starting": "It has not heard anything yet.",
    "deaf": "It hears nothing.",
    "degraded": "It hears, and something is wrong.",
    "stopping": "It is being stopped.",
}


def readiness(status: Json) -> tuple[bool, dict[str, Any]]:
    """Return whether it hears and decodes in time, and that as JSON with every reason there is.

    Only the state ``hearing`` with a loaded engine is ready: anything that degrades is a reason against.
    """
    reasons = [dict(reason) for reason in status["reasons"]]
    if status["engine_state"] == "loading":
        reasons.append(ENGINE_LOADING)
    state = str(status["state"])
    ready = state == "hearing" and status["engine_state"] == "ready"
    if not ready and not any(reason["degrades"] for reason in reasons):
        sentence = STATES.get(state, "No engine can be had.")
        reasons.append({"code": state, "sentence": sentence, "advice": "", "degrades": True})
    return ready, {"ready": ready, "state": state, "reasons": reasons}


def summary(status: Json) -> dict[str, Any]:
    """Return what a page shows of the state at once, and is told again when it changes."""
    ready, told = readiness(status)
    return {"type": "state", **told, "ready": ready, "muted": status["muted"], "source": status["source"]}
