"""Operations of paid services: what makes two calls the same, what one costs, which answers may be kept.

    from budgetguard.cache.services.openai import CHAT

    answer = cache.call(CHAT, request, lambda: client.post("/v1/chat/completions", json=request).json())

Another life, or another threshold of cost, is another policy; the rest stays:

    >>> from dataclasses import replace
    >>> from budgetguard.cache.services.openai import CHAT
    >>> brief = replace(CHAT, policy=replace(CHAT.policy, ttl_s=600))
    >>> brief.policy.ttl_s
    600

Another service is three functions of a request and an answer, which raise nothing for any plain data, and a
policy. This one translates, for 20 USD a million characters:

    >>> from datetime import date
    >>> from decimal import Decimal
    >>> from budgetguard.cache.operation import Operation
    >>> from budgetguard.cache.policy import Policy
    >>> from budgetguard.cache.prices import Price, PriceTable
    >>> from budgetguard.cache.services.normal import at, settled
    >>> prices = PriceTable([
    ...     Price(item="translate.character", valid_from=date(2026, 1, 1), usd=Decimal(20), units=1_000_000)
    ... ])
    >>> TRANSLATE = Operation(
    ...     policy=Policy(name="translate.text", ttl_s=30 * 86_400, min_cost_usd=Decimal("0.0001")),
    ...     key=lambda request: settled(
    ...         request, ignored={"api_key", "request_id"}, defaults={"format": "text"}
    ...     ),
    ...     cost=lambda request, answer, day: prices.cost(
    ...         "translate.character", len(str(request.get("text", ""))), day
    ...     ),
    ...     refused=lambda request, answer: "" if at(answer, "translation") else "no translation in it",
    ... )
    >>> asked = {"text": "Guten Tag", "to": "en", "format": "text", "request_id": "r-81"}
    >>> TRANSLATE.key(asked)
    {'text': 'Guten Tag', 'to': 'en'}
    >>> TRANSLATE.cost(asked, {"translation": "Good day"}, date(2026, 5, 1))
    Decimal('0.000180000000')
    >>> TRANSLATE.refused(asked, {"error": "quota"})
    'no translation in it'

What a key leaves out must not be able to change the answer; when in doubt, leave it in. A cost that nobody
knows is `budgetguard.cache.prices.UNKNOWN`, never a guess.
"""
