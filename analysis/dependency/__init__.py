"""Where a model leans on the picture: over tokens, over cells of the picture, over positions and kinds of words."""
