from voicebridge.pipeline.unsettled import MAX_UNSETTLED, Unsettled


def test_what_has_ended_is_to_come_until_its_turn_or_until_it_is_settled() -> None:
    unsettled = Unsettled()
    for start in (0, 200, 400):
        unsettled.ended(start, start + 100)
    unsettled.taken(0)
    unsettled.settled(200)
    assert unsettled.to_come() == [400]
    assert unsettled.speech_ends() == [100, 500]


def test_a_turn_of_what_is_not_known_is_not_kept() -> None:
    unsettled = Unsettled()
    unsettled.taken(0)
    unsettled.ended(0, 100)
    assert unsettled.to_come() == [0]


def test_what_has_ended_waits_until_it_is_settled() -> None:
    unsettled = Unsettled()
    unsettled.ended(0, 100)
    unsettled.ended(200, 300)
    assert unsettled.speech_ends() == [100, 300]
    unsettled.settled(0)
    unsettled.settled(0)
    assert unsettled.speech_ends() == [300]


def test_beyond_its_bound_the_newest_are_only_counted() -> None:
    unsettled = Unsettled()
    for number in range(MAX_UNSETTLED + 2):
        unsettled.ended(number, number)
    assert (len(unsettled.speech_ends()), unsettled.beyond) == (MAX_UNSETTLED, 2)


def test_what_its_owner_forgot_is_dropped_by_its_age() -> None:
    unsettled = Unsettled()
    unsettled.ended(0, 100)
    unsettled.ended(200, 300)
    unsettled.drop_before(300)
    assert unsettled.speech_ends() == [300]
