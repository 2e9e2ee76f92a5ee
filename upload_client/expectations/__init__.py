"""Expectations: a document of the receiver's that says what belongs in a delivery, and how that is judged.

`document` reads it, `model` holds it, `content` judges one file by it, `infer` drafts it from a sample, and
`local` judges a whole directory. The validator runs the same code (`upload_client.validator.reader_worker`).
"""
