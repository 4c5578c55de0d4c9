Code.require_file("pipeline.ex", __DIR__)

defmodule Examples.PipelineTest do
  use ExUnit.Case, async: true

  alias Examples.Pipeline.{Import, Message, Processor}

  test "a message over its limit fails, and no other message does" do
    large = 1..600_000 |> Enum.map_join(",", &Integer.to_string/1)
    messages = for data <- ["1,2", large, "not a number", "3"], do: %Message{data: data}
    {done, failed} = Processor.process(Import, messages)
    assert Enum.map(done, & &1.data) == [[1, 2], [3]]

    assert [
             %{
               destination: :dead_letters,
               status: {:failed, %Quota.ExceededError{}},
               data: ^large
             },
             %{destination: :again, status: {:failed, %ArgumentError{}}}
           ] = failed
  end
end
