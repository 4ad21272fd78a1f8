"""What an author likely did not mean is remarked with its line; what is meant is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from sauron_jobs_loader.checks import at_loading
from sauron_jobs_loader.checks.at_loading import AS_DEFAULT, AT_LOADING
from sauron_jobs_loader.checks.remark import Remark
from sauron_jobs_loader.checks.tree import BundleTree


def remarks(folder: Path, *loaded: str) -> list[Remark]:
    return at_loading.check(BundleTree(folder, folder, committed=True, loaded=loaded))


@pytest.mark.parametrize(
    ("source", "what", "cure"),
    [
        ("from datetime import datetime\nTODAY = datetime.now()", "datetime.datetime.now", AT_LOADING),
        ("import datetime as dt\nDAY = f'{dt.date.today():%F}.csv'", "datetime.date.today", AT_LOADING),
        ("from datetime import datetime\ndef stamp(day=datetime.utcnow()): ...", "datetime.utc", AS_DEFAULT),
        ("from uuid import uuid4 as make\nasync def f(*, run=make()): ...", "uuid.uuid4", AS_DEFAULT),
        ("import time\nclass Run:\n    start = time.time()", "time.time", AT_LOADING),
        ("import os\nif os.name:\n    PID = [os.getpid()]", "os.getpid", AT_LOADING),
        ("import time\ntry:\n    NAME = time.strftime('%F')\nexcept OSError: ...", "strftime", AT_LOADING),
        ("import pandas as pd\nEND = pd.Timestamp.now()", "pandas.Timestamp.now", AT_LOADING),
        ("from datetime import date\ndef day(): return date.today()\nDAY = day()", "day()", AT_LOADING),
        ("import secrets\nwith open('x'):\n    KEY = secrets.token_hex()", "secrets.token_hex", AT_LOADING),
        ("import random\nfor n in range(random.randint(1, 2)): ...", "random.randint", AT_LOADING),
        ("import random\nHOSTS = ['a', 'b']\nrandom.shuffle(HOSTS)  # now", "random.shuffle", AT_LOADING),
        ("from random import Random\nDRAW_NOW = Random()  # now", "random.Random", AT_LOADING),
        ("import numpy as np\nRNG = np.random.default_rng()  # now", "default_rng", AT_LOADING),
        ("from datetime import date\nwith open(f'{date.today()}.log') as LOG: ...", "today", AT_LOADING),
        ("import time\nwhile time.time() < 5: ...", "time.time", AT_LOADING),
        (
            "import time\nfor n in ():\n    pass\nelse:\n    T = time.monotonic_ns()",
            "monotonic_ns",
            AT_LOADING,
        ),
        ("import secrets\nKEY = secrets.choice('ab')  # now", "secrets.choice", AT_LOADING),
        ("import numpy as np\nNOISE = np.random.rand(3)  # now", "numpy.random.rand", AT_LOADING),
        ("from tempfile import TemporaryDirectory as D\nWORK = D()  # now", "TemporaryDirectory", AT_LOADING),
    ],
)
def test_a_value_of_the_moment_that_is_made_at_loading_is_remarked(
    tmp_path: Path, source: str, what: str, cure: str
) -> None:
    (tmp_path / "jobs.py").write_text(source)
    [found] = remarks(tmp_path, "jobs.py")
    assert (found.file, found.cure) == ("jobs.py", cure)
    assert found.line is not None
    last = source.splitlines()[found.line - 1]
    assert any(
        word in last for word in ("now", "oday", "utcnow", "make", "time", "getpid", "day()", "(1, 2)", "hex")
    )
    assert what in found.text


@pytest.mark.parametrize(
    "source",
    [
        "from datetime import datetime\ndef run(): return datetime.now()",
        "from datetime import datetime\nnow = lambda: datetime.now()",
        "import datetime\nEPOCH = datetime.datetime(1970, 1, 1)\nDELTA = datetime.timedelta(1)",
        "import time\nif __name__ == '__main__':\n    print(time.time())",
        "import time\nFIRST = time.strftime('%F', time.gmtime(0))",
        "from dataclasses import field\nfrom uuid import uuid4\nclass A:\n    a = field(default=uuid4)",
        "class C:\n    def now(self): ...\nC().now()",
        "import random\nDRAWN = random.Random(42)",
        "import numpy\nRNG = numpy.random.default_rng(7)",
        "def broken(:\n",
        "import os\nHOME = os.environ['HOME']",
    ],
)
def test_what_is_made_when_a_job_runs_is_not_remarked(tmp_path: Path, source: str) -> None:
    (tmp_path / "jobs.py").write_text(source)
    assert remarks(tmp_path, "jobs.py", "gone.py") == []


def test_only_files_that_loading_executes_are_remarked(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import time\nSTART = time.time()")
    assert remarks(tmp_path, "manifest.py") == []
