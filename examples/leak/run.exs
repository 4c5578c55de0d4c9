Code.require_file("sessions.ex", __DIR__)
Examples.Leak.main(System.argv())
