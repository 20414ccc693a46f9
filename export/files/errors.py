"""What is wrong with an artifact, whether its bytes tell it or the interpreter that it is given to."""


class ArtifactError(ValueError):
    """An artifact that is missing, damaged, foreign, or that its interpreter cannot run."""
