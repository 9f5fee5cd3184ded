"""Zero-shot labelling: vocabulary index, image stream, labeller, rows, contact sheet."""
