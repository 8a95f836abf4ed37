"""The same table with 65,536 rows."""

from dataclasses import replace

from bakeoff import Sizes
from tests.support.fakes.models.holder import MODEL as LITTLE

MODEL = Sizes(small=replace(LITTLE.at("small"), rows=65536), full=replace(LITTLE.at("full"), rows=65536))
