def run():
    return {"status": "success"}
