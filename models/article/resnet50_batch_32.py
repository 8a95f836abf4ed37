"""ResNet-50 at batch 32: 64 × 64 pixels, or at full size the 224 × 224 of the article."""

from bakeoff import Sizes
from bakeoff.models.resnet50 import ResNet50

MODEL = Sizes(small=ResNet50(batch_size=32, pixels=64), full=ResNet50(batch_size=32, pixels=224))
