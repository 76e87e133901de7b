"""All tests, with the program of the bus: suite.py PROGRAM. Prints ok on success."""

import os
import sys
import unittest
from pathlib import Path

TESTS = Path(__file__).resolve().parent
os.environ["SERVICE_BUS"] = sys.argv[1]
sys.path.insert(0, str(TESTS.parent / "src"))
tests = unittest.defaultTestLoader.discover(str(TESTS))
# The output of a test is shown if it fails.
result = unittest.TextTestRunner(buffer=True).run(tests)
if not result.wasSuccessful() or result.testsRun == 0:
    sys.exit(1)
print("ok")
