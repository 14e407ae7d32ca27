"""Networks written here, where no well-kept library has them at every width."""

from exitwave.learning.models.resnet_unet import ResNetUNet

__all__ = ["ResNetUNet"]
