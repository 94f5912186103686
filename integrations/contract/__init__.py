"""What every backend must keep to, as tests that anybody can run against one of theirs and the peer it speaks to.

    USER_BACKEND=shop.peers.Users USER_SERVICE_URL=https://users.example/api CONTRACT_USER_ID=17 \\
        python -m pytest --pyargs integrations.contract.test_users

`test_products` and `test_inventory` are the same for the other two, with `CONTRACT_PRODUCT_ID`; without a module it
runs all three. Stock is changed, and given back, only with `CONTRACT_WRITES=1`. docs/peers.md, "Peers of another
shape", has the rest. pytest comes with requirements/test.txt, and is not in the image.
"""
