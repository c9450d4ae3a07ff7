"""Models from elsewhere: the zoo's list, kept for offline use, and downloads into the model store.

Lives here: what asks the network, and only when the user has asked for it. Lives not here: packages and the store.
Every address is https (http to this computer alone), also after a redirection; every file has a cap, and is checked by
its SHA-256 where one is known.
"""

from bioimg_fiji.zoo.collection import Listing, ZooModel, collection
from bioimg_fiji.zoo.download import download
from bioimg_fiji.zoo.get import get_model

__all__ = ["Listing", "ZooModel", "collection", "download", "get_model"]
