from kf_wecom.replies import SyncPage


def test_an_entry_that_is_no_object_does_not_spoil_its_page() -> None:
    page = SyncPage.model_validate({"msg_list": [{"msgid": "a"}, "junk", None, 7], "has_more": 1})
    assert page.msg_list == (
        {"msgid": "a"},
        {"not_an_object": "junk"},
        {"not_an_object": None},
        {"not_an_object": 7},
    )
    assert page.has_more
