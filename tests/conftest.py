"""Settings of every test run: few threads, and no network for Hugging Face's libraries."""

import os

from hypothesis import HealthCheck, settings

# A busy machine is no failure: examples are judged by their outcome, never by their time.
settings.register_profile("clip-emotion", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("clip-emotion")

# Before any test imports torch or transformers, which read these only once.
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Ray's workers would starve beside the tests of another process, which are of a higher priority.
os.environ.setdefault("RAY_worker_niceness", "0")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
