Code.require_file("feed_filter.ex", __DIR__)
Examples.FeedFilter.main(System.argv())
