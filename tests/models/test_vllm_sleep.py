"""The order in which a sleeping vLLM gets its memory and its weights back, with a stand-in for vLLM."""

from types import SimpleNamespace

from models.vllm_engine import VllmEngine


class Recorder:
    """Writes down what vLLM is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.llm_engine = self

    def __getattr__(self, name: str):
        return lambda *_, **options: self.asked.append(
            f"{name} {options.get('level', options.get('tags', ''))}".strip()
        )


def sleeping_engine() -> VllmEngine:
    engine = VllmEngine.__new__(VllmEngine)
    dead = SimpleNamespace(EngineDeadError=RuntimeError)
    engine.vllm = SimpleNamespace(v1=SimpleNamespace(engine=SimpleNamespace(exceptions=dead)))
    engine.llm, engine.on_gpu, engine.asleep, engine.death = Recorder(), True, False, ""
    return engine


def test_old_weights_are_dropped_and_the_cache_comes_after_the_new_ones():
    engine = sleeping_engine()
    engine.wake()  # awake already: nothing to do
    engine.sleep()
    engine.wake()
    engine.sync([])
    resets = ["reset_prefix_cache", "reset_mm_cache", "reset_encoder_cache"]
    wanted = ["sleep 2", "wake_up ['weights']", "collective_rpc", "wake_up ['kv_cache']", *resets]
    assert engine.llm.asked == wanted
    engine.llm.asked.clear()
    engine.sync([])  # without a sleep before, the cache is there
    assert engine.llm.asked == ["collective_rpc", *resets]
