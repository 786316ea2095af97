package redis_test

const asTaker = "FOUNDATION_REDIS_TAKER"

func takeAsProcess() int { return 0 }
