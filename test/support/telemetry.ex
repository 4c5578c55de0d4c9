defmodule Bounded.Test.Telemetry do
  @moduledoc false
  # Events of the library as messages. Where `:telemetry` is not installed, a module of that name stands in for it, for the calling test.

  import ExUnit.Callbacks

  @compile {:no_warn_undefined, :telemetry}

  # What the library does with handlers, as far as its events need it.
  @stand_in """
  defmodule :telemetry do
    def attach_many(id, events, handler, config) do
      handlers = :persistent_term.get(__MODULE__, %{})
      if Map.has_key?(handlers, id) do
        {:error, :already_exists}
      else
        :persistent_term.put(__MODULE__, Map.put(handlers, id, {events, handler, config}))
      end
    end

    def detach(id),
      do: :persistent_term.put(__MODULE__, Map.delete(:persistent_term.get(__MODULE__, %{}), id))

    def execute(event, measurements, metadata) do
      for {_, {events, handler, config}} <- :persistent_term.get(__MODULE__, %{}), event in events do
        handler.(event, measurements, metadata, config)
      end

      :ok
    end
  end
  """

  @doc "Starts `:telemetry`, or has the module stand in for it until the test ends."
  def start do
    unless Code.ensure_loaded?(:telemetry) do
      Code.compile_string(@stand_in)
      # As the library's application has.
      start_supervised!({Agent, fn -> Process.register(self(), :telemetry_handler_table) end})

      on_exit(fn ->
        :code.purge(:telemetry)
        :code.delete(:telemetry)
      end)
    end

    # The library, where it is installed, keeps its handlers in a table of its own.
    if Application.load(:telemetry) in [:ok, {:error, {:already_loaded, :telemetry}}],
      do: {:ok, _} = Application.ensure_all_started(:telemetry)

    :ok
  end

  @doc "Sends each event to `pid` as `{event, measurements, metadata}` until the test ends."
  def forward(pid) do
    start()
    id = {__MODULE__, make_ref()}
    :ok = :telemetry.attach_many(id, Quota.Telemetry.events(), &__MODULE__.send_event/4, pid)
    on_exit(fn -> :telemetry.detach(id) end)
  end

  @doc false
  def send_event(event, measurements, metadata, pid),
    do: send(pid, {event, measurements, metadata})
end
