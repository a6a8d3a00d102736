from __future__ import annotations

import re
import unittest
from pathlib import Path

import neonauthd
from neonauthd import asgi, httpauth, testing, wsgi


class Declarations(unittest.TestCase):
    def test_the_typed_program_uses_every_exported_name(self) -> None:
        program = Path(__file__).with_name("typed.py").read_text()
        for module in (neonauthd, asgi, wsgi, httpauth, testing):
            names: list[str] = module.__all__
            self.assertTrue(names)
            for name in names:
                qualified = module.__name__.rpartition(".")[2] + "." + name
                uses = re.findall(rf"\b{re.escape(qualified)}\b", program)
                if module is neonauthd:
                    uses += re.findall(rf"(?<!\.)\b{name}\b", program)[1:]  # the first is the import
                self.assertTrue(uses, f"{qualified} is not used")

    def test_what_is_public_is_exported(self) -> None:
        for name, value in vars(neonauthd).items():
            if not name.startswith("_") and getattr(value, "__module__", "").startswith("neonauthd"):
                self.assertIn(name, neonauthd.__all__)

    def test_the_package_says_that_it_is_typed(self) -> None:
        self.assertTrue(Path(neonauthd.__file__).with_name("py.typed").exists())
