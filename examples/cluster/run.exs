Code.require_file("nodes.ex", __DIR__)
Examples.Cluster.main(System.argv())
