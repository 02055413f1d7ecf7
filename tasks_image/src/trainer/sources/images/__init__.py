"""Images in files: the IDX format of MNIST, and folders of PNG and JPEG files by class."""
